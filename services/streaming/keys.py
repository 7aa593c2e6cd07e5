"""Every Redis key and channel. Pure.

| key | type | holds | lives |
| --- | --- | --- | --- |
| rill:{u7}:log:<stream> | stream | the events of a stream, entry id `<fence>-<seq>` | a run, then STREAM_TTL |
| rill:{u7}:state:<stream> | hash | fence, status, run, lease and outcome of a stream | as the log |
| rill:{u7}:viewers:<stream> | zset | worker -> lease: which workers have viewers | 1 h, renewed |
| rill:{u7}:slots:<assistant> | zset | stream -> lease: what runs for this user there | a lease |
| rill:{u7}:slots | zset | the same over all assistants | a lease |
| rill:{u7}:idem:<hash> | hash | the first answer to an Idempotency-Key | a lease; 24 h once the turn is stored |
| rill:{site}:slots | zset | run -> lease: what runs on the whole site | a lease |

Channels: rill:{u7}:live:<stream> (a stream's new entries), rill:control (for the run's owner:
`<stream>` was stopped or left, `+<stream>` is followed elsewhere from now on).
All keys of one user share a hash tag, so that one script can change them together.
"""

from hashlib import sha256
from typing import Final

from services.streaming.events import StreamId, UserId

SITE_SLOTS: Final = "rill:{site}:slots"
CONTROL: Final = "rill:control"
FOLLOWED: Final = "+"


def log(user_id: UserId, stream_id: StreamId) -> str:
    return f"rill:{{u{user_id}}}:log:{stream_id}"


def state(user_id: UserId, stream_id: StreamId) -> str:
    return f"rill:{{u{user_id}}}:state:{stream_id}"


def viewers(user_id: UserId, stream_id: StreamId) -> str:
    return f"rill:{{u{user_id}}}:viewers:{stream_id}"


def slots(user_id: UserId, assistant: str) -> str:
    return f"rill:{{u{user_id}}}:slots:{assistant}"


def user_slots(user_id: UserId) -> str:
    return f"rill:{{u{user_id}}}:slots"


def idempotency(user_id: UserId, key: str) -> str:
    return f"rill:{{u{user_id}}}:idem:{sha256(key.encode('utf-8', 'surrogatepass')).hexdigest()}"


def live(user_id: UserId, stream_id: StreamId) -> str:
    return f"rill:{{u{user_id}}}:live:{stream_id}"
