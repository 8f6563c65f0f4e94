//! What an xDS server owes its clients, on the wire: a server in this process on a free port, a raw client, and worlds
//! made by hand. Each test is named after its row of `README.md`.

mod canary;
mod client;
mod csds;
mod delta;
mod embed;
mod envelope;
mod lifetime;
mod nack;
mod not_offered;
mod operations;
mod order;
mod per_type;
mod reconnect;
mod slow;
mod sotw;
mod stream;
mod wildcard;
mod world;
