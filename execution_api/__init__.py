"""The execution API: people and programs deploy, start, submit and read over HTTP.

settings                            what the program is told at its start
problems                            every error in one shape (RFC 9457)
intake                              what a body and an address may hold, before anything reads them
auth                                whose request it is; its gate refuses everybody else
logs, metrics                       what the operator sees
bodies, completion_bodies, paging   what goes in and comes out
initiator, idempotency, waiting     what starting and submitting share
completion                          how /complete reads its body
routes/                             one module for each room of the API
examples, documentation             the OpenAPI document
services, app, main                 all of that as one program
"""
