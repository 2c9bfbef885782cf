"""The embedded local stack: a real Apache Kafka, a real PostgreSQL and a mailbox, all from pip."""
