-- description: A sample of equally many images per class, drawn by a hash of the id: the same each time.
-- param collection: the collection
-- param each = 100: most images per class
-- param seed = 0: another seed draws another sample
select collection, image_id, class, split
from (
  select t.collection, t.image_id, t.class, i.split,
    -- The id ends the order, so that no two rows are equal in it.
    row_number() over (partition by t.class order by xxhash64(t.image_id, :seed), t.image_id) as nth
  from truth t
  join images i on i.collection = t.collection and i.image_id = t.image_id
  where t.collection = :collection
)
where nth <= :each
