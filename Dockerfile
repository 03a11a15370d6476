FROM python:3.13-slim AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /build
RUN python -m venv /venv
# A layer of their own for the dependencies: a change of the source leaves it as it is.
COPY pyproject.toml ./
RUN python -c "import tomllib; print(*tomllib.load(open('pyproject.toml', 'rb'))['project']['dependencies'], sep='\n')"\
    >requirements.txt && /venv/bin/pip install --requirement requirements.txt
COPY README.md LICENSE ./
COPY weather weather
RUN /venv/bin/pip install --no-deps . && /venv/bin/pip check && /venv/bin/pip uninstall --yes pip

FROM python:3.13-slim
RUN pip uninstall --yes pip && useradd --uid 10001 --no-create-home weather
COPY --from=build /venv /venv
WORKDIR /srv
COPY app.py hypercorn.toml ./
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1
USER 10001
EXPOSE 8080
HEALTHCHECK --interval=30s --timeout=3s --start-period=5s \
    CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8080/health', timeout=2)"]
CMD ["hypercorn", "--config", "hypercorn.toml", "--bind", "0.0.0.0:8080", "app:app"]
