-- Keep a start's idempotency record for a day: its turn is stored.
-- KEYS[1]  hash: the idempotency record
-- ARGV     1 idempotency record   2 fingerprint of the request
redis.call("HSET", KEYS[1], "fingerprint", ARGV[2], "record", ARGV[1])
redis.call("PEXPIRE", KEYS[1], 86400000)
return 1
