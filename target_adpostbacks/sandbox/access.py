"""Which tokens and assets the sandbox lets in: everything well-formed, or only those that are listed."""

from collections.abc import Collection, Mapping


class Access:
    """Known tokens and assets. None: every one is good, except a token that contains "revoked", "invalid" or "expired".

    ``tokens`` may map each token to the assets that it may write to.
    """

    def __init__(
        self,
        tokens: Collection[str] | Mapping[str, Collection[str]] | None = None,
        assets: Collection[str] | None = None,
    ) -> None:
        self.scopes = dict(tokens) if isinstance(tokens, Mapping) else None
        self.tokens = None if tokens is None else set(tokens)
        self.assets = None if assets is None else list(assets)
        self.revoked: set[str] = set()
        self.used_codes: set[str] = set()

    def expired(self, token: str) -> bool:
        return "expired" in token

    def good(self, token: str) -> bool:
        if token in self.revoked or "revoked" in token or "invalid" in token:
            return False
        return self.tokens is None or token in self.tokens

    def exists(self, asset: str) -> bool:
        return self.assets is None or asset in self.assets

    def may(self, token: str, asset: str) -> bool:
        """Whether the token and the asset belong together."""
        return "forbidden" not in token and (
            self.scopes is None or token not in self.scopes or asset in self.scopes[token]
        )

    def issue(self, token: str) -> None:
        if self.tokens is not None:
            self.tokens.add(token)

    def revoke(self, token: str) -> None:
        self.revoked.add(token)
