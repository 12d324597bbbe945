# One image for web, workers and beat. The demo and its simulator are not in it.
FROM python:3.11-slim-bookworm AS build
WORKDIR /app
RUN python -m venv /opt/uv && /opt/uv/bin/pip install --no-cache-dir uv==0.13.9
COPY pyproject.toml uv.lock ./
RUN /opt/uv/bin/uv sync --frozen --no-default-groups --compile-bytecode

FROM python:3.11-slim-bookworm
ENV PATH=/app/.venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /app
RUN useradd --system --no-create-home --shell /usr/sbin/nologin iamcleanup
COPY --from=build /app/.venv .venv
COPY manage.py pyproject.toml ./
COPY iamcleanup iamcleanup
COPY inventory inventory
COPY migrations_app migrations_app
COPY templates templates
COPY static static
# Settings refuse to load without these; nothing of them stays in the image.
RUN SECRET_KEY=only-to-collect-the-static-files-at-build-time ALLOWED_HOSTS=build \
    DATABASE_URL=postgres://build CELERY_BROKER_URL=redis://build \
    python manage.py collectstatic --noinput --verbosity 0
USER iamcleanup
EXPOSE 8000
CMD ["gunicorn", "-c", "python:iamcleanup.gunicorn", "iamcleanup.wsgi"]
