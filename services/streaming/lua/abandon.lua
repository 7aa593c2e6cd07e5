-- Take back a start whose turn could not be stored: nothing of it remains.
-- KEYS[1]  stream: the log
-- KEYS[2]  hash: the stream's state
-- KEYS[3]  zset: the assistant's slots of this user
-- KEYS[4]  zset: all slots of this user
-- KEYS[5]  hash: the idempotency record
-- ARGV     1 stream id   2 run id   3 "1" to delete the idempotency record
-- Returns  1 if it was there, else 0
if redis.call("HGET", KEYS[2], "run") ~= ARGV[2] then return 0 end
redis.call("DEL", KEYS[1], KEYS[2])
if ARGV[3] == "1" then redis.call("DEL", KEYS[5]) end
for _, key in ipairs({KEYS[3], KEYS[4]}) do redis.call("ZREM", key, ARGV[1]) end
return 1
