"""How many tokens a call took, when nobody counted them. Pure."""

from services.llm.messages import Request, Usage

CODE_POINTS_PER_TOKEN = 4


def estimate(code_points: int) -> int:
    """Tokens in a text of so many code points, rounded up."""
    return -(-code_points // CODE_POINTS_PER_TOKEN)


def estimated_usage(request: Request, answer_code_points: int) -> Usage:
    """What a call would have taken, marked as an estimate."""
    asked = sum(len(message.content) for message in request.messages)
    return Usage(estimate(asked), estimate(answer_code_points), estimated=True)
