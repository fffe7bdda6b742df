-- description: All images of a collection that have a truth, with the split that their source gave.
-- param collection: the collection
select t.collection, t.image_id, t.class, i.split
from truth t
join images i on i.collection = t.collection and i.image_id = t.image_id
where t.collection = :collection
