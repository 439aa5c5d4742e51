//! Messages to events, by compiled rules. Stateless.
