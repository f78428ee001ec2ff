"""`{{ secrets.NAME }}`: reads secrets from their source, and keeps them out of everything that is stored or logged."""
