-- description: Images that a person has labelled since a time: what imports and models got wrong.
-- param collection: the collection
-- param since = timestamp '1970-01-01 00:00:00': only corrections since then, UTC
select t.collection, t.image_id, t.class, i.split, t.source, a.annotated_at
from truth t
join annotations a
  on a.collection = t.collection and a.image_id = t.image_id and a.source = t.source
join images i on i.collection = t.collection and i.image_id = t.image_id
where t.collection = :collection and t.source like 'person/%' and a.annotated_at >= :since
