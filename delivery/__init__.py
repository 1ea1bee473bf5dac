"""The deliverer: sends what is in the outbox, at least once, and ends each delivery with a fenced write.

settings                       what the program is told at its start
attempt                        how an attempt ended, whatever the channel
templates, templates.yaml      the words of mails and pushes
mail                           SMTP
signature, webhook             signed messages to endpoints
service_account, push          Firebase Cloud Messaging
deliverer                      the loop: claim, send, end
metrics, app, main             all of that as one program
"""
