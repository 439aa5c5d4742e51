//! Ticket life cycle and the GTR clock.
