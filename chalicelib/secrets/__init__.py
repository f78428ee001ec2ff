"""`{{ secrets.NAME }}`: where secrets are kept, and what keeps them out of all that is stored or logged."""
