"""What tests share: servers, clocks, stand-ins and readers of what the service writes."""
