-- Renew a run's lease and say for how long nobody has watched it.
-- KEYS[1]  stream: the log
-- KEYS[2]  hash: the stream's state
-- KEYS[3]  zset: the assistant's slots of this user
-- KEYS[4]  zset: all slots of this user
-- KEYS[5]  zset: worker -> lease: who has viewers
-- ARGV     1 stream id   2 run id   3 fence   4 lease (ms)   5 TTL of log and state (ms)
--          6 "watched" if the owner itself has viewers, else ms since its last one left, "" if it had none
-- Returns  {1, ms unwatched or -1, 1 if anybody ever watched} · {0} if the run is no longer the caller's
local state = redis.call("HMGET", KEYS[2], "run", "status", "fence", "unwatched", "watched", "started")
if state[1] ~= ARGV[2] or state[2] ~= "running" or state[3] ~= ARGV[3] then return {0} end
local time = redis.call("TIME")
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call("HSET", KEYS[2], "lease", now + ARGV[4])
for _, key in ipairs({KEYS[3], KEYS[4]}) do
  redis.call("ZADD", key, now + ARGV[4], ARGV[1])
  redis.call("PEXPIRE", key, ARGV[4] * 6)
end
for _, key in ipairs({KEYS[1], KEYS[2]}) do redis.call("PEXPIRE", key, ARGV[5]) end
redis.call("ZREMRANGEBYSCORE", KEYS[5], "-inf", now)
if ARGV[6] == "watched" or redis.call("ZCARD", KEYS[5]) > 0 then
  redis.call("HDEL", KEYS[2], "unwatched")
  redis.call("HSET", KEYS[2], "watched", 1)
  return {1, -1, 1}
end
local left = tonumber(ARGV[6])
local watched = state[5] or left
if left and not state[5] then redis.call("HSET", KEYS[2], "watched", 1) end
local since = tonumber(state[4]) or (watched and now or tonumber(state[6]))
if left then since = math.max(since, now - left) end
redis.call("HSET", KEYS[2], "unwatched", since)
return {1, now - since, watched and 1 or 0}
