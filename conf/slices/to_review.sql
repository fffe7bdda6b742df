-- description: Images that the serving version is least sure of and no person has labelled, least sure first.
-- param collection: the collection
-- param model: the model
-- param alias = 'production': which of its versions
-- param below = 0.9: only labels with a lower probability
-- param most = 200: most images
select l.collection, l.image_id, l.class as label, l.probability, l.entropy, l.version
from labels l
join aliases p on p.model = l.model and p.version = l.version
left anti join (select collection, image_id from annotations where source like 'person/%') seen
  on seen.collection = l.collection and seen.image_id = l.image_id
where l.collection = :collection and l.model = :model and p.alias = :alias
  and l.probability < :below
order by l.probability, l.image_id
limit :most
