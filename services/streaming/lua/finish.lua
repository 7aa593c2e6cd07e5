-- End a run: raise the fence, write its closing events and the state, free the user's slots.
-- KEYS[1]  stream: the log
-- KEYS[2]  hash: the stream's state
-- KEYS[3]  zset: the assistant's slots of this user
-- KEYS[4]  zset: all slots of this user
-- ARGV     1 stream id   2 run id   3 the caller's fence   4 seq of the last entry the caller knows
--          5 outcome   6 live channel   7 "close" to close the stream as well, else ""
--          8 event that closes the stream, or ""   9... closing events
-- Returns  {"finished", fence, last seq} · {"gone"} · {"ended", outcome} · {"fenced"} · {"behind", last seq in the log}
local state = redis.call("HMGET", KEYS[2], "run", "status", "fence", "idle_ms", "ttl", "outcome")
if not state[1] then return {"gone"} end
if state[1] ~= ARGV[2] or (state[2] ~= "running" and state[2] ~= "sealed") then
  return {"ended", state[6] or ""}
end
if state[3] ~= ARGV[3] then return {"fenced"} end
local top = redis.call("XREVRANGE", KEYS[1], "+", "-", "COUNT", 1)
if not top[1] then return {"gone"} end
local seq = tonumber(string.match(top[1][1], "-(%d+)$"))
if seq ~= tonumber(ARGV[4]) then return {"behind", seq} end
local time = redis.call("TIME")
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local fence = tonumber(ARGV[3]) + 1
local closed = ARGV[7] == "close" or tonumber(state[4]) == 0
local function write(payload)
  seq = seq + 1
  local id = fence .. "-" .. seq
  redis.call("XADD", KEYS[1], id, "e", payload)
  redis.call("PUBLISH", ARGV[6], id .. " " .. payload)
end
for index = 9, #ARGV do write(ARGV[index]) end
local last = seq
if closed and ARGV[8] ~= "" then write(ARGV[8]) end
redis.call("HSET", KEYS[2], "fence", fence, "status", closed and "closed" or "idle", "outcome", ARGV[5],
  "idle_until", now + state[4], "last", last)
redis.call("HDEL", KEYS[2], "unwatched")
for _, key in ipairs({KEYS[3], KEYS[4]}) do redis.call("ZREM", key, ARGV[1]) end
local keep = state[5] + (closed and 0 or state[4])
for _, key in ipairs({KEYS[1], KEYS[2]}) do redis.call("PEXPIRE", key, keep) end
return {"finished", fence, seq}
