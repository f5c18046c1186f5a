"""The headers of every answer.

Source: IVS API reference: the seven headers that the model binds to all errors and to
the batch answers; they are sent on every answer. AWS's values are not documented.
`Date`, which SDKs correct their clocks by, is added by the HTTP server.
"""

from headwater.core.http import Headers

MODELED: Headers = (
    ("Access-Control-Allow-Origin", "*"),  # every request carries its own signature
    ("Access-Control-Expose-Headers", "x-amzn-RequestId,x-amzn-ErrorType,Date"),
    ("Cache-Control", "no-cache, no-store"),  # stream keys are in answers
    ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"),
    # Zero: HSTS is for a whole host, and would break plain HTTP on other ports of it,
    # such as everything else that is developed on localhost.
    ("Strict-Transport-Security", "max-age=0"),
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
)

# "*" would not cover Authorization (Fetch standard, "CORS-preflight cache"). The others
# are what the AWS SDK for JavaScript sends from browsers.
PREFLIGHT: Headers = (
    ("Access-Control-Allow-Methods", "GET, POST, DELETE"),
    (
        "Access-Control-Allow-Headers",
        (
            "authorization, content-type, x-amz-content-sha256, x-amz-date, "
            "x-amz-security-token, x-amz-user-agent, amz-sdk-invocation-id, amz-sdk-request"
        ),
    ),
    ("Access-Control-Max-Age", "86400"),
)
