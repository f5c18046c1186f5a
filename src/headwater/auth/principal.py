"""Principal: who asks. The root of an account, or one of its users."""

from msgspec import Struct

from headwater.auth.policy import Policy


class Principal(Struct, frozen=True, kw_only=True):
    """Who signs with a key, and what policies let them do."""

    account: str
    user_id: str  # the root's is its account
    name: str  # of the user; "" for the root
    policies: tuple[Policy, ...]  # the root needs none: it may do everything

    @property
    def is_root(self) -> bool:
        """Whether it is the account itself."""
        return not self.name

    @property
    def arn(self) -> str:
        """As policies and denials name it."""
        kind = f"user/{self.name}" if self.name else "root"
        return f"arn:aws:iam::{self.account}:{kind}"


def root(account: str) -> Principal:
    """The account itself."""
    return Principal(account=account, user_id=account, name="", policies=())
