"""The pages of `openwa_manager/docs` and the description of the API, as a browser shows them at `/docs`."""
