-- Say that a worker has viewers of a stream, or that its last one has left.
-- KEYS[1]  hash: the stream's state
-- KEYS[2]  zset: worker -> lease
-- ARGV     1 worker   2 lease (ms), 0 when the last viewer left
-- Returns  {1 if a worker has viewers else 0, status, lease of the run (ms left)} · {} if there is no such stream
--          The run's owner is not among these workers: only it knows whether nobody watches (lua/renew.lua).
local state = redis.call("HMGET", KEYS[1], "status", "lease", "idle_until")
if not state[1] then return {} end
local time = redis.call("TIME")
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if ARGV[2] ~= "0" then
  redis.call("ZADD", KEYS[2], now + ARGV[2], ARGV[1])
  redis.call("PEXPIRE", KEYS[2], 3600000)
  redis.call("HSET", KEYS[1], "watched", 1)
  redis.call("HDEL", KEYS[1], "unwatched")
else
  redis.call("ZREM", KEYS[2], ARGV[1])
  redis.call("ZREMRANGEBYSCORE", KEYS[2], "-inf", now)
  if redis.call("ZCARD", KEYS[2]) == 0 then return {0, state[1], 0} end
end
local left = (state[1] == "idle" and state[3] or state[2] or now) - now
return {1, state[1], left}
