"""HTTP: the way to Telegram (`bot_api`) and Telegram's way to us (`ingress`)."""
