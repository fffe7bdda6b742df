-- description: Images that two model versions label differently: one of them, or the image's class, is wrong.
-- param collection: the collection
-- param model: the first model
-- param version: its version
-- param other_model: the second model, or the same
-- param other_version: its version
-- param most = 500: most images
select a.collection, a.image_id, a.class as label, a.probability,
  b.class as other_label, b.probability as other_probability, t.class as truth
from labels a
join labels b on b.collection = a.collection and b.image_id = a.image_id
left join truth t on t.collection = a.collection and t.image_id = a.image_id
where a.collection = :collection
  and a.model = :model and a.version = :version
  and b.model = :other_model and b.version = :other_version
  and a.class <> b.class
-- Confident labels that differ are the most informative.
order by least(a.probability, b.probability) desc, a.image_id
limit :most
