"""Which of the offered tools fits a request, and with what arguments it is called."""
