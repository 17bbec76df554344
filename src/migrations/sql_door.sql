-- The SQL door: callboard_submit() submits jobs from SQL. Installed by every migration, in the schema of the tables.
--
-- A request is a row of sql_requests in the caller's transaction; a relay turns it into a job. The function checks the
-- request against the JSON Schema that workers have registered in sql_actors.

CREATE OR REPLACE FUNCTION {tables}.callboard_misfit(schema jsonb, given jsonb, root jsonb, place text) RETURNS text
    LANGUAGE plpgsql STABLE SET search_path = {tables}, pg_temp AS $$
-- Return why a value does not fit its JSON Schema, beginning with its place; NULL if it fits.
DECLARE
    kind text := jsonb_typeof(given);
    plain text := given #>> '{{}}';
    number numeric := CASE WHEN jsonb_typeof(given) = 'number' THEN plain::numeric END;
    wanted jsonb := schema -> 'type';
    found text;
    first text;
    part record;
BEGIN
    IF schema = 'true'::jsonb THEN RETURN NULL; END IF;
    IF schema = 'false'::jsonb THEN RETURN place || ': no value is accepted here'; END IF;
    IF schema ? '$ref' THEN
        found := {tables}.callboard_misfit(root #> string_to_array(substr(schema ->> '$ref', 3), '/'), given, root, place);
        IF found IS NOT NULL THEN RETURN found; END IF;
    END IF;
    IF wanted IS NOT NULL THEN
        IF jsonb_typeof(wanted) = 'string' THEN wanted := jsonb_build_array(wanted); END IF;
        IF NOT (wanted ? kind OR (kind = 'number' AND wanted ? 'integer' AND number = trunc(number))) THEN
            SELECT string_agg(name, ' or ') INTO found FROM jsonb_array_elements_text(wanted) AS name;
            RETURN format('%s: must be %s, not %s', place, found, left(given::text, 60));
        END IF;
    END IF;
    IF schema ? 'const' AND given <> schema -> 'const' THEN
        RETURN format('%s: must be %s, not %s', place, schema ->> 'const', left(given::text, 60));
    END IF;
    IF schema ? 'enum' AND NOT EXISTS (SELECT 1 FROM jsonb_array_elements(schema -> 'enum') AS one WHERE one = given) THEN
        RETURN format('%s: must be one of %s, not %s', place, left((schema -> 'enum')::text, 300), left(given::text, 60));
    END IF;
    FOR part IN SELECT one FROM jsonb_array_elements(coalesce(schema -> 'allOf', '[]')) AS one LOOP
        found := {tables}.callboard_misfit(part.one, given, root, place);
        IF found IS NOT NULL THEN RETURN found; END IF;
    END LOOP;
    IF schema ?| ARRAY['anyOf', 'oneOf'] THEN
        FOR part IN SELECT one FROM jsonb_array_elements(coalesce(schema -> 'anyOf', schema -> 'oneOf')) AS one LOOP
            found := {tables}.callboard_misfit(part.one, given, root, place);
            EXIT WHEN found IS NULL;
            first := coalesce(first, found);
        END LOOP;
        IF found IS NOT NULL THEN RETURN first; END IF;
    END IF;
    IF kind = 'number' THEN
        IF number < (schema ->> 'minimum')::numeric OR number <= (schema ->> 'exclusiveMinimum')::numeric THEN
            RETURN format('%s: %s is too small; the limit is %s', place, number, coalesce(schema ->> 'minimum', schema ->> 'exclusiveMinimum'));
        ELSIF number > (schema ->> 'maximum')::numeric OR number >= (schema ->> 'exclusiveMaximum')::numeric THEN
            RETURN format('%s: %s is too large; the limit is %s', place, number, coalesce(schema ->> 'maximum', schema ->> 'exclusiveMaximum'));
        ELSIF mod(number, (schema ->> 'multipleOf')::numeric) <> 0 THEN
            RETURN format('%s: %s must be a multiple of %s', place, number, schema ->> 'multipleOf');
        END IF;
    ELSIF kind = 'string' THEN
        IF length(plain) < (schema ->> 'minLength')::int THEN
            RETURN format('%s: must have at least %s characters', place, schema ->> 'minLength');
        ELSIF length(plain) > (schema ->> 'maxLength')::int THEN
            RETURN format('%s: must have at most %s characters', place, schema ->> 'maxLength');
        END IF;
        found := {tables}.callboard_misfit_text(plain, schema ->> 'pattern', schema ->> 'format', place);
        IF found IS NOT NULL THEN RETURN found; END IF;
    ELSIF kind = 'array' THEN
        IF jsonb_array_length(given) < (schema ->> 'minItems')::int THEN
            RETURN format('%s: must have at least %s entries', place, schema ->> 'minItems');
        ELSIF jsonb_array_length(given) > (schema ->> 'maxItems')::int THEN
            RETURN format('%s: must have at most %s entries', place, schema ->> 'maxItems');
        ELSIF schema -> 'uniqueItems' = 'true' AND (SELECT count(*) > count(DISTINCT one) FROM jsonb_array_elements(given) AS one) THEN
            RETURN place || ': an entry occurs twice';
        END IF;
        FOR part IN SELECT one, row_number() OVER () - 1 AS at FROM jsonb_array_elements(given) AS one LOOP
            found := {tables}.callboard_misfit(
                coalesce(schema -> 'prefixItems' -> part.at::int, schema -> 'items', 'true'), part.one, root, format('%s[%s]', place, part.at));
            IF found IS NOT NULL THEN RETURN found; END IF;
        END LOOP;
    ELSIF kind = 'object' THEN
        SELECT name INTO first FROM jsonb_array_elements_text(coalesce(schema -> 'required', '[]')) AS name WHERE NOT given ? name LIMIT 1;
        IF first IS NOT NULL THEN RETURN format('%s.%s: required', place, first); END IF;
        FOR part IN SELECT key, one FROM jsonb_each(given) AS each (key, one) LOOP
            IF NOT coalesce(schema -> 'properties', '{{}}') ? part.key AND schema -> 'additionalProperties' = 'false' THEN
                SELECT string_agg(name, ', ') INTO found FROM jsonb_object_keys(coalesce(schema -> 'properties', '{{}}')) AS name;
                RETURN format('%s.%s: no such name; there are: %s', place, part.key, coalesce(found, 'none'));
            END IF;
            found := {tables}.callboard_misfit(
                coalesce(schema -> 'properties' -> part.key, schema -> 'additionalProperties', 'true'), part.one, root, place || '.' || part.key);
            IF found IS NOT NULL THEN RETURN found; END IF;
        END LOOP;
    END IF;
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION {tables}.callboard_misfit_text(plain text, pattern text, format text, place text) RETURNS text
    LANGUAGE plpgsql STABLE SET search_path = {tables}, pg_temp AS $$
-- Return why a text does not fit a JSON Schema's pattern or format; NULL if it fits, or if PostgreSQL cannot judge it.
BEGIN
    BEGIN
        IF plain !~ pattern THEN RETURN format('%s: %s does not match %s', place, left(to_json(plain)::text, 60), pattern); END IF;
    EXCEPTION WHEN invalid_regular_expression THEN
        NULL;  -- the worker's check decides
    END;
    BEGIN
        CASE format
            WHEN 'date-time' THEN PERFORM plain::timestamptz;
            WHEN 'date' THEN PERFORM plain::date;
            WHEN 'time' THEN PERFORM plain::timetz;
            WHEN 'uuid' THEN PERFORM plain::uuid;
            ELSE NULL;
        END CASE;
    EXCEPTION WHEN data_exception THEN
        RETURN format('%s: %s is not a %s', place, left(to_json(plain)::text, 60), format);
    END;
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION {tables}.callboard_submit(actor text, request jsonb DEFAULT '{{}}') RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = {tables}, pg_temp AS $$
-- Submit a job in the caller's transaction and return its id; raises invalid_parameter_value naming the field.
DECLARE
    known sql_actors%ROWTYPE;
    present timestamptz := clock_timestamp();
    problem text;
    id text;
    option text;
BEGIN
    SELECT * INTO known FROM sql_actors WHERE name = actor;
    IF NOT FOUND THEN
        RAISE invalid_parameter_value USING
            MESSAGE = format('actor: no worker has registered an actor %s', coalesce(to_json(left(actor, 60))::text, 'NULL')),
            HINT = 'Start a worker with its code once. Registered: ' || left(coalesce((SELECT string_agg(name, ', ' ORDER BY name) FROM sql_actors), 'none'), 300);
    ELSIF known.refusal IS NOT NULL THEN
        RAISE invalid_parameter_value USING MESSAGE = format('actor: %s cannot be submitted by SQL: %s', actor, known.refusal);
    END IF;
    request := {tables}.callboard_named(request, known.schema::jsonb);
    problem := {tables}.callboard_misfit(known.schema::jsonb, request, known.schema::jsonb, 'request');
    IF problem IS NOT NULL THEN
        RAISE invalid_parameter_value USING MESSAGE = format('%s: %s', actor, problem);
    ELSIF request ?& ARRAY['delay', 'eta'] THEN
        RAISE invalid_parameter_value USING MESSAGE = format('%s: request.delay: give either delay or eta, not both', actor);
    ELSIF octet_length(request::text) > known.max_bytes THEN
        RAISE invalid_parameter_value USING MESSAGE =
            format('%s: request: %s bytes of JSON; at most %s are kept: pass an id or a file''s path instead', actor, octet_length(request::text), known.max_bytes);
    END IF;
    BEGIN
        FOREACH option IN ARRAY ARRAY['delay', 'eta', 'expires', 'keep_until'] LOOP
            CONTINUE WHEN NOT request ? option;
            IF option = 'eta' OR request ->> option ~ '^\d+-\d+-\d+' THEN
                request := request || jsonb_build_object(option, (request ->> option)::timestamptz);
            ELSE
                -- A bare number is seconds, as everywhere else.
                request := request || jsonb_build_object(option, present + (request ->> option)::interval);
            END IF;
            IF NOT (request ->> option)::timestamptz BETWEEN '0002-01-01' AND '9999-01-01' THEN
                RAISE datetime_field_overflow;
            END IF;
        END LOOP;
    EXCEPTION WHEN data_exception THEN
        RAISE invalid_parameter_value USING MESSAGE = format('%s: request.%s: %s is neither a time nor a duration such as 10 min', actor, option, request -> option);
    END;
    id := {tables}.callboard_new_id(present);
    INSERT INTO sql_requests (id, actor, request, submitted_by, created_at)
        VALUES (id, actor, request::text, left(session_user, 255), present);
    RETURN id;
END $$;

CREATE OR REPLACE FUNCTION {tables}.callboard_named(request jsonb, schema jsonb) RETURNS jsonb
    LANGUAGE plpgsql STABLE SET search_path = {tables}, pg_temp AS $$
-- Return the request with its arguments by name: those by position (args) get the names of the actor's parameters.
DECLARE
    names jsonb := schema -> 'x-positional';
    part record;
    kwargs jsonb := coalesce(request -> 'kwargs', '{{}}');
BEGIN
    IF jsonb_typeof(request) <> 'object' OR jsonb_typeof(request -> 'args') <> 'array' OR jsonb_typeof(kwargs) <> 'object' THEN
        RETURN request;  -- the schema refuses it
    END IF;
    FOR part IN SELECT one, row_number() OVER () - 1 AS at FROM jsonb_array_elements(request -> 'args') AS one LOOP
        IF part.at >= jsonb_array_length(names) THEN
            RAISE invalid_parameter_value USING MESSAGE =
                format('request.args: at most %s by position, not %s', jsonb_array_length(names), jsonb_array_length(request -> 'args'));
        ELSIF kwargs ? (names ->> part.at::int) THEN
            RAISE invalid_parameter_value USING MESSAGE = format('request.kwargs.%s: given twice, by position and by name', names ->> part.at::int);
        END IF;
        kwargs := kwargs || jsonb_build_object(names ->> part.at::int, part.one);
    END LOOP;
    RETURN request - 'args' || jsonb_build_object('kwargs', kwargs);
END $$;

CREATE OR REPLACE FUNCTION {tables}.callboard_new_id(present timestamptz) RETURNS text
    LANGUAGE sql VOLATILE SET search_path = {tables}, pg_temp AS $$
-- Return a UUID version 7: milliseconds since 1970, then random bits.
    SELECT overlay(
        overlay(gen_random_uuid()::text PLACING '7' FROM 15 FOR 1)
        PLACING overlay(lpad(to_hex((extract(epoch FROM present) * 1000)::bigint), 12, '0') PLACING '-' FROM 9 FOR 0) FROM 1 FOR 13)
$$;

REVOKE ALL ON FUNCTION {tables}.callboard_submit(text, jsonb) FROM PUBLIC;
