"""Questions about the policy, as people put them: read, asked, and answered for `json.dumps`."""
