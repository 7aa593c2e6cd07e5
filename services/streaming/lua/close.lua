-- Close a stream that has been idle for long enough, by compare-and-set.
-- KEYS[1]  stream: the log
-- KEYS[2]  hash: the stream's state
-- ARGV     1 live channel   2 closing event
-- Returns  1 if this call closed it, else 0
local state = redis.call("HMGET", KEYS[2], "status", "idle_until", "fence", "ttl")
if state[1] ~= "idle" then return 0 end
local time = redis.call("TIME")
if tonumber(state[2]) > time[1] * 1000 + math.floor(time[2] / 1000) then return 0 end
local top = redis.call("XREVRANGE", KEYS[1], "+", "-", "COUNT", 1)
if not top[1] then return 0 end
local fence = tonumber(state[3]) + 1
local id = fence .. "-" .. (tonumber(string.match(top[1][1], "-(%d+)$")) + 1)
redis.call("XADD", KEYS[1], id, "e", ARGV[2])
redis.call("PUBLISH", ARGV[1], id .. " " .. ARGV[2])
redis.call("HSET", KEYS[2], "fence", fence, "status", "closed")
for _, key in ipairs({KEYS[1], KEYS[2]}) do redis.call("PEXPIRE", key, state[4]) end
return 1
