-- Take a run from its writer because somebody stops it: raise the fence and seal the log under it.
-- An idle stream is closed instead. Also used by the owner's own drain and grace.
-- KEYS[1]  stream: the log
-- KEYS[2]  hash: the stream's state
-- ARGV     1 outcome to seal for (stopped or interrupted)   2 lease of the sealer (ms)   3 live channel
--          4 control channel   5 message for it   6 seal event   7 event that closes an idle stream
--          8 only this run, or ""
-- Returns  {"sealed", fence, seq, first id, seal} · {"closed", outcome} · {"gone"}
local state = redis.call("HMGET", KEYS[2], "status", "fence", "first", "outcome", "seal", "ttl", "run")
if not state[1] then return {"gone"} end
if ARGV[8] ~= "" and ARGV[8] ~= state[7] then return {"closed", state[4] or ""} end
local top = redis.call("XREVRANGE", KEYS[1], "+", "-", "COUNT", 1)
if not top[1] then return {"gone"} end
local fence = tonumber(state[2])
local seq = tonumber(string.match(top[1][1], "-(%d+)$"))
local function write(payload)
  fence, seq = fence + 1, seq + 1
  local id = fence .. "-" .. seq
  redis.call("XADD", KEYS[1], id, "e", payload)
  redis.call("PUBLISH", ARGV[3], id .. " " .. payload)
  redis.call("HSET", KEYS[2], "fence", fence)
end
if state[1] == "idle" and ARGV[8] == "" then
  write(ARGV[7])
  redis.call("HSET", KEYS[2], "status", "closed")
  for _, key in ipairs({KEYS[1], KEYS[2]}) do redis.call("PEXPIRE", key, state[6]) end
end
if state[1] == "closed" or state[1] == "idle" then return {"closed", state[4] or ""} end
local seal = state[5]
if state[1] == "running" then
  local time = redis.call("TIME")
  seal = ARGV[1]
  write(ARGV[6])
  redis.call("HSET", KEYS[2], "status", "sealed", "seal", seal,
    "lease", time[1] * 1000 + math.floor(time[2] / 1000) + ARGV[2])
end
redis.call("PUBLISH", ARGV[4], ARGV[5])
return {"sealed", fence, seq, state[3], seal}
