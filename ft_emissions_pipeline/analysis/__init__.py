"""Questions asked of finished figures; nothing here is stored."""
