-- Take a user's slots, make a stream (or go on with an idle one) and write the run's first event.
-- KEYS[1]  stream: the log
-- KEYS[2]  hash: the stream's state
-- KEYS[3]  zset: the assistant's slots of this user; member = stream id, score = lease, ms on the Redis clock
-- KEYS[4]  zset: all slots of this user
-- KEYS[5]  hash: the idempotency record; it lapses with the lease unless keep_record.lua follows
-- ARGV     1 stream id   2 run id   3 assistant   4 slots of the assistant   5 slots of the user
--          6 lease (ms)  7 TTL of log and state (ms)   8 idle time after a run (ms)
--          9 first event   10 live channel   11 idempotency record, or ""   12 fingerprint of the request
--          13 "new" or "follow"   14 conversation id   15 message id   16 control channel   17 TTL after the end (ms)
-- Returns  {"started", fence, seq} · {"again", record} · {"mismatch"} · {"gone"} · {"closed"} · {"busy"}
--          · {"full", "assistant"|"user", limit, current, stream ids...}
local time = redis.call("TIME")
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if ARGV[11] ~= "" then
  local kept = redis.call("HMGET", KEYS[5], "fingerprint", "record")
  if kept[1] then
    if kept[1] ~= ARGV[12] then return {"mismatch"} end
    return {"again", kept[2]}
  end
end
local fence, seq = 0, 0
if ARGV[13] == "follow" then
  local state = redis.call("HMGET", KEYS[2], "status", "idle_until", "fence")
  if not state[1] then return {"gone"} end
  if state[1] == "running" or state[1] == "sealed" then return {"busy"} end
  if state[1] == "closed" or tonumber(state[2]) <= now then return {"closed"} end
  local top = redis.call("XREVRANGE", KEYS[1], "+", "-", "COUNT", 1)
  if not top[1] then return {"gone"} end
  fence = tonumber(state[3])
  seq = tonumber(string.match(top[1][1], "-(%d+)$"))
end
for index, key in ipairs({KEYS[3], KEYS[4]}) do
  redis.call("ZREMRANGEBYSCORE", key, "-inf", now)
  local held = redis.call("ZRANGE", key, 0, -1)
  local limit = tonumber(ARGV[3 + index])
  if #held >= limit then
    return {"full", index == 1 and "assistant" or "user", limit, #held, unpack(held)}
  end
end
local lease = now + ARGV[6]
fence, seq = fence + 1, seq + 1
local id = fence .. "-" .. seq
redis.call("XADD", KEYS[1], id, "e", ARGV[9])
redis.call("HDEL", KEYS[2], "outcome", "confirmed", "seal", "unwatched", "watched", "last")
redis.call("HSET", KEYS[2], "fence", fence, "status", "running", "run", ARGV[2], "first", id, "lease", lease,
  "assistant", ARGV[3], "conversation", ARGV[14], "message", ARGV[15], "idle_ms", ARGV[8], "started", now,
  "ttl", ARGV[17])
for _, key in ipairs({KEYS[3], KEYS[4]}) do
  redis.call("ZADD", key, lease, ARGV[1])
  redis.call("PEXPIRE", key, ARGV[6] * 6)
end
for _, key in ipairs({KEYS[1], KEYS[2]}) do redis.call("PEXPIRE", key, ARGV[7]) end
if ARGV[11] ~= "" then
  redis.call("HSET", KEYS[5], "fingerprint", ARGV[12], "record", ARGV[11])
  redis.call("PEXPIRE", KEYS[5], ARGV[6])
end
redis.call("PUBLISH", ARGV[10], id .. " " .. ARGV[9])
return {"started", fence, seq}
