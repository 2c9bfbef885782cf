"""The whole system from outside, in containers or embedded: `make e2e`, `make e2e STACK=embedded`."""
