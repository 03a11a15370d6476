FROM python:3.13-slim
WORKDIR /app
# With Python's own allocator, the memory of closed sessions would not go back to the system.
ENV PYTHONMALLOC=malloc
ENV PYTHONUNBUFFERED=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
COPY pyproject.toml README.md LICENSE hypercorn.toml app.py ./
COPY weather weather
RUN pip install . && useradd --system --no-create-home weather
USER weather
EXPOSE 8080
CMD ["hypercorn", "--config", "hypercorn.toml", "--bind", "0.0.0.0:8080", "app:app"]
