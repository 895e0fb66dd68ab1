"""HTTP that a hostile server cannot stretch, inflate or steer: everything between a request and the network."""
