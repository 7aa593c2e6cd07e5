-- Take one of the site's slots, dropping leases that have lapsed, or renew those that are held.
-- KEYS[1]  zset: member = run id, score = lease, ms on the Redis clock
-- ARGV     1 limit (slots), 0 to renew   2 lease (ms)   3... run ids (one to take, any number to renew)
-- Returns  {1} if taken or renewed · {0, held} if every slot is held
local time = redis.call("TIME")
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call("ZREMRANGEBYSCORE", KEYS[1], "-inf", now)
if ARGV[1] ~= "0" then
  local held = redis.call("ZCARD", KEYS[1])
  if held >= tonumber(ARGV[1]) then return {0, held} end
end
for index = 3, #ARGV do redis.call("ZADD", KEYS[1], now + ARGV[2], ARGV[index]) end
redis.call("PEXPIRE", KEYS[1], ARGV[2] * 6)
return {1}
