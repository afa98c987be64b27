"""The quick start's token: a user and an end, signed with the secret that the server has.

python make_token.py SECRET USER
"""

import sys
from datetime import datetime, timedelta, timezone

from jose import jwt

secret, user = sys.argv[1:]
end = datetime.now(timezone.utc) + timedelta(hours=24)
print(jwt.encode({"user_id": user, "exp": end}, secret, algorithm="HS256"))
