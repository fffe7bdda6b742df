-- description: Images whose label by a model version differs from the truth, most confident mistakes first.
-- param collection: the collection
-- param model: the model
-- param version: its version
-- param most = 500: most images
select l.collection, l.image_id, t.class, l.class as label, l.probability, i.split
from labels l
join truth t on t.collection = l.collection and t.image_id = l.image_id
join images i on i.collection = l.collection and i.image_id = l.image_id
where l.collection = :collection and l.model = :model and l.version = :version
  and l.class <> t.class
order by l.probability desc, l.image_id
limit :most
