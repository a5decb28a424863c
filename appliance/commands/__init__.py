"""The rooms of the command line: one file a subject. They may use everything below; nothing but __main__ uses them."""
