// Package devstack holds the embedded defaults of `payledger dev`: a Postgres server of its own, an in-process broker that speaks
// Kafka's protocol, and an issuer of tokens. Each keeps its data in the folder it is given and goes on with them at the next start.
package devstack
