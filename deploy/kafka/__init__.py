"""What a local Apache Kafka is made of: its jars, a Java to run them, and its configuration."""
