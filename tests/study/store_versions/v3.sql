-- What version 3 of the store leaves behind; sqlite3's own dump. Never edit.
BEGIN TRANSACTION;
CREATE TABLE attempts ( profile TEXT NOT NULL, id TEXT NOT NULL, question TEXT NOT NULL, started DOUBLE PRECISION NOT NULL, changed DOUBLE PRECISION NOT NULL, finished DOUBLE PRECISION, text TEXT NOT NULL, predictions JSON NOT NULL, measurements JSON NOT NULL, ticks JSON NOT NULL, help_used JSON NOT NULL, seconds DOUBLE PRECISION NOT NULL, tier INTEGER, serial BIGINT DEFAULT '0' NOT NULL, PRIMARY KEY (profile, id), FOREIGN KEY(profile) REFERENCES profiles (id) ON DELETE CASCADE );
INSERT INTO "attempts" VALUES('id-1','id-3','q06',1795600000.25,1795600000.25,1795600000.25,'Fewer KV heads','{"cache": null, "speedup": 4.0}','{"speedup": {"value": 1.08}}','["a"]','["hint-1"]',31.5,80,1);
CREATE TABLE draft_copies ( profile TEXT NOT NULL, id TEXT NOT NULL, question TEXT NOT NULL, field TEXT NOT NULL, text TEXT NOT NULL, changed DOUBLE PRECISION NOT NULL, serial BIGINT DEFAULT '0' NOT NULL, PRIMARY KEY (profile, id), FOREIGN KEY(profile) REFERENCES profiles (id) ON DELETE CASCADE );
INSERT INTO "draft_copies" VALUES('id-1','id-2','q06','answer','older',1795600000.25,1);
CREATE TABLE drafts ( profile TEXT NOT NULL, question TEXT NOT NULL, field TEXT NOT NULL, text TEXT NOT NULL, revision BIGINT NOT NULL, changed DOUBLE PRECISION NOT NULL, PRIMARY KEY (profile, question, field), FOREIGN KEY(profile) REFERENCES profiles (id) ON DELETE CASCADE );
INSERT INTO "drafts" VALUES('id-1','q06','answer','少 KV 头',7,1795600000.25);
CREATE TABLE interview_events ( profile TEXT NOT NULL, interview TEXT NOT NULL, serial BIGINT NOT NULL, moment DOUBLE PRECISION NOT NULL, kind TEXT NOT NULL, question TEXT NOT NULL, data JSON NOT NULL, PRIMARY KEY (profile, interview, serial), FOREIGN KEY(profile, interview) REFERENCES interviews (profile, id) ON DELETE CASCADE );
INSERT INTO "interview_events" VALUES('id-1','id-4',1,1795600000.25,'note','q06','{"text": "\u6570\u9519\u4e86\u5934"}');
CREATE TABLE interviews ( profile TEXT NOT NULL, id TEXT NOT NULL, candidate TEXT NOT NULL, minutes INTEGER NOT NULL, questions JSON NOT NULL, started DOUBLE PRECISION NOT NULL, finished DOUBLE PRECISION, link TEXT, expires DOUBLE PRECISION NOT NULL, serial BIGINT DEFAULT '0' NOT NULL, PRIMARY KEY (profile, id), FOREIGN KEY(profile) REFERENCES profiles (id) ON DELETE CASCADE, UNIQUE (link) );
INSERT INTO "interviews" VALUES('id-1','id-4','Grace',45,'["q06"]',1795600000.25,NULL,'link-1',1795643200.25,1);
CREATE TABLE profiles ( id TEXT NOT NULL, "key" TEXT NOT NULL, name TEXT NOT NULL, created DOUBLE PRECISION NOT NULL, serial BIGINT DEFAULT '0' NOT NULL, PRIMARY KEY (id), UNIQUE ("key") );
INSERT INTO "profiles" VALUES('id-1','name:ada','Ada',1795600000.25,1);
CREATE TABLE schema_version ( version INTEGER NOT NULL );
INSERT INTO "schema_version" VALUES(3);
CREATE INDEX copies_by_draft ON draft_copies (profile, question, field);
CREATE INDEX attempts_by_question ON attempts (profile, question, serial);
COMMIT;
