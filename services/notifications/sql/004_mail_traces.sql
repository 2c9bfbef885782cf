-- The trace of the message that asked for the mail, as W3C writes it: sending it is part of that trace.
alter table mail add column traceparent text;
