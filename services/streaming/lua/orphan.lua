-- Take a run whose lease has lapsed: raise the fence and seal the log under it.
-- KEYS[1]  stream: the log
-- KEYS[2]  hash: the stream's state
-- ARGV     1 lease of the sealer (ms)   2 live channel   3 seal event
-- Returns  {"sealed", fence, seq, first id, seal} · {"alive"} · {"closed", outcome} · {"gone"}
local state = redis.call("HMGET", KEYS[2], "status", "fence", "first", "outcome", "seal", "lease")
if not state[1] then return {"gone"} end
if state[1] ~= "running" and state[1] ~= "sealed" then return {"closed", state[4] or ""} end
local time = redis.call("TIME")
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if tonumber(state[6]) > now then return {"alive"} end
local top = redis.call("XREVRANGE", KEYS[1], "+", "-", "COUNT", 1)
if not top[1] then return {"gone"} end
local fence = tonumber(state[2])
local seq = tonumber(string.match(top[1][1], "-(%d+)$"))
local seal = state[5] or "interrupted"
if state[1] == "running" then
  fence, seq = fence + 1, seq + 1
  local id = fence .. "-" .. seq
  redis.call("XADD", KEYS[1], id, "e", ARGV[3])
  redis.call("PUBLISH", ARGV[2], id .. " " .. ARGV[3])
end
-- A sealer that died before it wrote the end is followed by the next one here.
redis.call("HSET", KEYS[2], "fence", fence, "status", "sealed", "seal", seal, "lease", now + ARGV[1])
return {"sealed", fence, seq, state[3], seal}
