"""Stand-ins for ParnasSys and suppliers: real servers on loopback, for the demo and the tests. Nothing real lives here."""
