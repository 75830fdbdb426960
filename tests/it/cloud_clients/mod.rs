//! Clients of the clouds that nobody here wrote, against clouds that are played: first credentials, renewed
//! ones, and a refusal as their users see it.

mod client;
mod world;

mod aws;
