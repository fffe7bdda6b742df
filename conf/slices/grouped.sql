-- description: All images with a truth, and the group that each belongs to: a group stays in one split.
-- param collection: the collection
-- param path = '$.group': where the group is in the images' attributes, as a JSON path
select t.collection, t.image_id, t.class, get_json_object(i.attributes, :path) as `group`
from truth t
join images i on i.collection = t.collection and i.image_id = t.image_id
where t.collection = :collection
