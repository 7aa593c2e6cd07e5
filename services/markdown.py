"""What of Markdown is looked for in more than one place, each for an end of its own. Pure.

Both readers of it take texts as they come, cut anywhere: the patterns are bounded, so that no text takes long.
"""

import re
from typing import Final

# A link or a picture, its words as the first group.
LINK: Final = re.compile(r"!?\[([^\[\]]{0,300})\]\([^()\s]{0,500}(?:\s\"[^\"]{0,100}\")?\)")
