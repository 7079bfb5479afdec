"""The wire: just enough of Telegram to route, pace and classify. Full types are aiogram's, met only in programs."""
