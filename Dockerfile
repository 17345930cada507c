# One image for both sample services; the command picks one: `python -m services.orders`, or
# `toolkit run notifications`.

FROM python:3.13-slim AS build
RUN python -m venv /venv
ENV PATH=/venv/bin:$PATH PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /src
# What others wrote, in a layer that stays until these two files change.
COPY pyproject.toml constraints.txt ./
RUN python -c "import tomllib; project = tomllib.load(open('pyproject.toml', 'rb'))['project']; \
extras = project['optional-dependencies']; \
print(*project['dependencies'], *extras['orders'], *extras['notifications'], sep='\n')" > wanted.txt \
    && pip install --requirement wanted.txt --constraint constraints.txt
# What we wrote.
COPY README.md LICENSE ./
COPY toolkit toolkit
RUN pip install --no-deps .

FROM python:3.13-slim
RUN useradd --system --uid 10001 --home-dir /app --shell /usr/sbin/nologin app \
    && install --directory --owner app /app /data
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
# Who asks for health asks from outside; with TOOLKIT_HEALTH_PORT=8080 there is something to ask.
ENV TOOLKIT_HEALTH_HOST=0.0.0.0
WORKDIR /app
COPY --from=build /venv /venv
COPY services services
USER app
CMD ["python", "-m", "services.orders"]
